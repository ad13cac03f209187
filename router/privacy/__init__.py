"""Personal data: values that are hashed, and what a source drops and hashes before an event is stored.

`hashing` has the hash that sources and mappings share, `source_privacy` the rules of a source at work, `suggestion` makes such rules
of what looks personal.
"""

from router.privacy.hashing import Hasher, hasher_of
from router.privacy.source_privacy import SourcePrivacy, privacy_of_sources
from router.privacy.suggestion import Suggestion, suggest

__all__ = ["Hasher", "SourcePrivacy", "Suggestion", "hasher_of", "privacy_of_sources", "suggest"]
