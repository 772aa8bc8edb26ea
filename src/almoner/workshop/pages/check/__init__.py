"""The dry run: what publishing the draft would break."""
