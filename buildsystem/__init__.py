"""How the package build turns guest/, modules/ and the native hook into emukern/built: needs only the ziglang wheel."""
