"""How fast a model is trained: this kit, fairseq, Hugging Face's Trainer and a lean loop."""
