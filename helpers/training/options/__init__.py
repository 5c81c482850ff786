"""Options of fairseq's beside the settings of the course: which there are, and which can be set."""
