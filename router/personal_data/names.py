"""Names of keys that usually hold personal data, by what they hold."""

from __future__ import annotations

import re

from router.remembering import remembered

NAMES = {
    "address": "address, address line, street, street address, postal code, postcode, zip code, zipcode",
    "birthday": "birthday, birth date, birthdate, date of birth, dob, year of birth",
    "card": "card number, cc number, credit card, credit card number, debit card, cvc, cvv, security code",
    "bank": "iban, bic, bank account, bank account number, account number, routing number, sort code",
    "email": "email, e mail, email address, mail address",
    "gender": "gender, sex",
    "id": "ssn, social security, social security number, passport, passport number, national id, tax id, tax number,"
    " driver license, driver license number, driving licence, license plate, insurance number",
    "ip": "ip, ip address",
    "device": "advertising id, idfa, gaid, imei, mac address",
    "location": "latitude, longitude, lat, lng, geolocation",
    "person": "first name, firstname, last name, lastname, full name, fullname, middle name, given name, family name,"
    " surname, maiden name",
    "phone": "phone, phone number, mobile, mobile number, mobile phone, telephone, cell phone, cellphone, fax, msisdn",
    "secret": "password, passwd, pwd, passcode, passphrase, pin code, secret, api key, access token, auth token, refresh token",
}
"""Separated by commas. A key has such a name if its words end with these: `billingEmail`, `user_phone_number`."""

WHOLE = {"age": "birthday", "pin": "secret", "zip": "address", "name": "name"}
"""Words that mean this only if they are the whole key. `name`: of a user, in an identify call."""

_OF = {tuple(name.split()): what for what, names in NAMES.items() for name in names.split(", ")}
_LONGEST = max(map(len, _OF))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@remembered(4096)
def what_is_named(key: str) -> str:
    """What a key of this name usually holds; "" for most."""
    words = tuple(word.lower() for word in _WORD.findall(key[:100]))
    if len(words) == 1 and words[0] in WHOLE:
        return WHOLE[words[0]]
    return next((_OF[words[-n:]] for n in range(min(_LONGEST, len(words)), 0, -1) if words[-n:] in _OF), "")
