from ..files import FileError


class VolumeError(FileError):
    """A volume file that cannot be read or written; the message is one sentence that names the file and the remedy."""
