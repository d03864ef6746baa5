"""Registration of X-rays to a volume (floor 2)."""
from .case import Case, RegistrationError, XRay
from .register import Registration, RegistrationOptions, register

__all__ = ["Case", "Registration", "RegistrationError", "RegistrationOptions", "XRay", "register"]
