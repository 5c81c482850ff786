"""The folders of trainings: where each lies and goes on, how it is seen and compared."""
