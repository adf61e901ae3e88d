"""One door for each format: the only modules that open files of others, and that call the libraries which parse them.

Whatever comes through is bounded and of its kind; what is not is refused by one `InputError` that names file and place.
FITS comes through `radiff.sky.fits`.
"""
