"""Whether there is a card to test on."""

from minirmae import arrays, devices


def why_not():
    """Why there is no card to test on; None if there is one."""
    try:
        devices.require_device("cuda")
    except arrays.DeviceError as error:
        return str(error)
    return None


REASON = why_not()
