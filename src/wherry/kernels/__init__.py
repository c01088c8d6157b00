"""Operations on the device, each beside its numpy reference."""
