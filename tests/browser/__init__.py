"""A real Chromium for tests of the page, with axe, which finds what people with disabilities could not use."""
