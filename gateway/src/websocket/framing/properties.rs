//! Properties of the decoder, whatever the bytes are.
