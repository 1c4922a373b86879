"""The time from an object's creation to its started container, while objects arrive at random times that wait for no answer."""
