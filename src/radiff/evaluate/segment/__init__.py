"""Images to class masks by a segmenter, on any size, in all formats."""
