"""What a patient may ask for: all that is known of them, and to be forgotten."""
