"""What several tests need and no test is: how the project is started, looked at and disturbed."""
