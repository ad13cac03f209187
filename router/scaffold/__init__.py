"""The beginning of a plugin's own repository: a package whose tests pass at once.

package.py    writes it, from the files in `template`
template/     `string.Template` texts; the suffix `.in` keeps tools from taking them for what they will be
"""

from router.scaffold.package import NewPackage, write_package

__all__ = ["NewPackage", "write_package"]
