"""``fairseq-hydra-train``: its command, its log, its checkpoints, and a plug-in."""
