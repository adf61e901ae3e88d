"""Generated images beside the real ones of their masks, to every figure by which they are judged."""
