"""Personal data: values that are hashed, and what a source drops and hashes before an event is stored.

`hashing` has the hash that sources and mappings share, `source_privacy` the rules of a source at work.
"""

from router.privacy.hashing import Hasher, hasher_of
from router.privacy.source_privacy import SourcePrivacy, privacy_of_sources

__all__ = ["Hasher", "SourcePrivacy", "hasher_of", "privacy_of_sources"]
