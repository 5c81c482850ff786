"""What fairseq says while it trains: its losses, and why it has failed."""
