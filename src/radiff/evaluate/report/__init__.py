"""An evaluation to the page, the plots and the sheets that are looked at. Measures nothing."""
