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
        A mask that came without a sky of its own takes the pixel scale of a spectrum that tells it, and its beam and
        its rms.
    """
    given = []
    for request in requests:
        noise, sky = source.draw(request.seed), request.sky
        if source.spectrum is not None and request.image is None and sky.wcs is None:
            sky = replace(sky, pixel_scale=noise.pixel_scale or sky.pixel_scale)
            if own_beam and noise.beam is not None and noise.pixel_scale is not None:
                sky = replace(sky, beam=noise.beam)
            if own_rms and noise.rms is not None:
                sky = replace(sky, rms=noise.rms)
        given.append(replace(request, noise=noise, sky=sky))
    return given
