// Package input checks what clients send: every text, key, e-mail address, phone number, date, moment, version and reason passes
// here, from GraphQL, CSV and JSON Lines alike, so that one value has one form and one wrong value has one answer.
//
// A value is brought into its form first and judged then. The form of a text is NFC without white space and invisible
// characters at its ends ([docs/adr/0011-texts-and-keys.md]); f(f(x)) = f(x) for each function here.
//
// Functions that judge record what is wrong at their [fault.Check], with a message that says what would be right and never
// repeats the value, and return the zero value then. Functions that only bring a value into its form, for lookups and
// filters, do not judge: what nobody could have stored finds nothing.
package input
