"""The version of Penstock. The build of the package reads it here, so that a start needs not read any metadata."""

VERSION = "0.1.0"
