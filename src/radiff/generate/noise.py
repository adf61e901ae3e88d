"""What `--noise` says to the images that are asked for. Knows no networks and no files."""

from collections.abc import Sequence
from dataclasses import replace

from radiff.generate.requests import Request
from radiff.sky.noise_source import NoiseSource


def with_noise(
    requests: Sequence[Request], source: NoiseSource, own_beam: bool = True, own_rms: bool = True
) -> list[Request]:
    """The same with the noise of `source`, each its own spectrum where that is a bank.

    Parameters
    ----------
    own_beam, own_rms : bool
        A mask that came without a sky of its own takes beam and pixel scale, and the rms, of a spectrum that tells
        them.
    """
    given = []
    for request in requests:
        noise, sky = source.draw(request.seed), request.sky
        if source.spectrum is not None and request.image is None and sky.wcs is None:
            if own_beam and noise.beam is not None and noise.pixel_scale is not None:
                sky = replace(sky, beam=noise.beam, pixel_scale=noise.pixel_scale)
            if own_rms and noise.rms is not None:
                sky = replace(sky, rms=noise.rms)
        given.append(replace(request, noise=noise, sky=sky))
    return given
