"""What was asked of networks against what came, as ``radiff check`` and ``radiff figures`` print it."""
