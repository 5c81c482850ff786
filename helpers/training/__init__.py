"""``fairseq-hydra-train``: its command, its log, its checkpoints, what is hidden, and plug-ins."""
