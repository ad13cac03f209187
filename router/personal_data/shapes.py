"""Values that look personal, by their shape.

Card numbers and IBANs have check digits, which take a few lines. Phone numbers are checked by the tables of a library: there is
no other way to tell them from other numbers.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

LONGEST = 320
"""So many characters of a text are looked at: the search for an e-mail address takes quadratic time."""

_EMAIL = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_IP = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_PHONE = re.compile(r"(?:\+|00)[1-9][0-9 ().\-/]{6,20}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_CARD = re.compile(r"3[0-9]{13,14}|[2456][0-9]{15}|6[0-9]{17,18}|4[0-9]{12}")
"""Lengths and first digits of the large networks."""


def what_looks(value: Any) -> str:
    """`email`, `ip`, `phone`, `card`, `bank` (an IBAN) or "". A number may be a card's."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "card" if abs(value) < 10**19 and _is_card(str(value)) else ""
    if not isinstance(value, str) or len(value) < 6:
        return ""
    text = value[:LONGEST].strip()
    if ("@" in text or "%40" in text) and _EMAIL.search(text):
        return "email"
    if len(text) > 45 or not any(char.isdigit() for char in text):
        return ""
    if _IP.fullmatch(text) and _is_address(text):
        return "ip"
    if _PHONE.fullmatch(text) and _is_phone(text):
        return "phone"
    bare = re.sub(r"[ -]", "", text)
    if _is_card(bare):
        return "card"
    return "bank" if _IBAN.fullmatch(bare.upper()) and _is_iban(bare.upper()) else ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_phone(text: str) -> bool:
    import phonenumbers  # 0.07 s and 3 MB, which only a scan needs

    try:
        number = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(number))


def _is_card(digits: str) -> bool:
    """Luhn's check digit: every second digit from the right is doubled, and the digits of all results add up to a multiple of 10."""
    if not _CARD.fullmatch(digits):
        return False
    doubled = (divmod(int(digit) * (1 + place % 2), 10) for place, digit in enumerate(reversed(digits)))
    return sum(map(sum, doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 7064: with the first four characters at the end, and letters as numbers from 10 on, the remainder by 97 is 1."""
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1
