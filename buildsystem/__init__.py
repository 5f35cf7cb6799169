"""How the package build makes emukern/built from guest/, modules/ and the native hook, given only ziglang."""
