package input_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// answer runs a function that judges and returns its result with the code of what is wrong, or "".
func answer[T any](t require.TestingT, read func(c *fault.Check) T) (T, fault.UserCode) {
	c := fault.NewCheck("input", "field")
	value := read(c)
	if c.OK() {
		return value, ""
	}
	require.Len(t, c.Errors(), 1, "one error for one value")
	require.Equal(t, []string{"input", "field"}, c.Errors()[0].Path)
	require.NotContains(t, c.Errors()[0].Message, "%!", "a broken format")
	return value, c.Errors()[0].Code
}

type row struct {
	text, want string
	code       fault.UserCode
}

const (
	zeroWidth = "\u200b"
	mark      = "\u200e"
)

// england is the flag of England: a black flag, five tags and the tag that ends them.
const england = "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F"

var lines = []row{
	{"Ann", "Ann", ""},
	{"  Ann Lee ", "Ann Lee", ""},
	{"\t\r\n Ann\v\f", "Ann", ""},
	{"\u00a0\u2003\u3000Ann\u2028\u0085", "Ann", ""},
	{"\ufeff\u200bAnn\u200f\u2069", "Ann", ""},
	{"Ann\u00a0Lee", "Ann\u00a0Lee", ""},
	{"Jose\u0301", "Jos\u00e9", ""},
	{"山田\u3000太郎", "山田\u3000太郎", ""},
	{"می\u200cخواهم", "می\u200cخواهم", ""},
	{"۱۲\u200cها", "۱۲\u200cها", ""},
	{"«کتاب»\u200cها", "«کتاب»\u200cها", ""},
	{"(کتاب)\u200cها", "(کتاب)\u200cها", ""},
	{"a\u200d\ufe0f", "a", ""},
	{"a\u200d\ufe0f\u200d", "a", ""},
	{"\ufe0f\u200da", "a", ""},
	{"അവന്\u200d പോയി", "അവന്\u200d പോയി", ""},
	{"👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧", ""},
	{"❤\ufe0f", "❤\ufe0f", ""},
	{"❤\ufe0f\u200d🔥 ", "❤\ufe0f\u200d🔥", ""},
	{"1\ufe0f⃣", "1\ufe0f⃣", ""},
	{england, england, ""},
	{"葛\U000E0100", "葛\U000E0100", ""},
	{"\u0600١", "\u0600١", ""},
	{"", "", fault.Blank},
	{" \t\n", "", fault.Blank},
	{strings.Repeat(zeroWidth, 10), "", fault.Blank},
	{"\u2800\u3164\u115f\u00ad\ufeff\u2066\ufe0f\u200d\U000E0041", "", fault.Blank},
	{"a\x00", "", fault.Invalid},
	{"\x00", "", fault.Invalid},
	{" \x00 ", "", fault.Invalid},
	{"a\xff", "", fault.Invalid},
	{"\xff", "", fault.Invalid},
	{"\xed\xa0\xbd", "", fault.Invalid},
	{"a\x07b", "", fault.Invalid},
	{"a\x07", "", fault.Invalid},
	{"a\tb", "", fault.Invalid},
	{"a\nb", "", fault.Invalid},
	{"a\u2028b", "", fault.Invalid},
	{"a\u0085b", "", fault.Invalid},
	{"a\u200bb", "", fault.Invalid},
	{"a\ufeffb", "", fault.Invalid},
	{"a\u00adb", "", fault.Invalid},
	{"a\u202ecba", "", fault.Invalid},
	{"a\u2067b\u2069", "", fault.Invalid},
	{"a" + mark + "b", "", fault.Invalid},
	{"a\u3164b", "", fault.Invalid},
	{"a\u200d\u200db", "", fault.Invalid},
	{"a \u200db", "", fault.Invalid},
	{"a\u200d\ufe0fb", "", fault.Invalid},
	{"1\u200db", "", fault.Invalid},
	{"1\u200c2", "", fault.Invalid},
	{"«\u200cb", "", fault.Invalid},
	{"a\ufe0fb", "", fault.Invalid},
	{"❤\ufe0f\ufe0fb", "", fault.Invalid},
	{"\U0001F3F4\U000E0067\U000E0062b", "", fault.Invalid},
	{"a" + strings.Repeat("\u0301", 40), "", fault.Invalid},
	{strings.Repeat("é", 255), strings.Repeat("é", 255), ""},
	{strings.Repeat("e\u0301", 255) + strings.Repeat(zeroWidth, 255), strings.Repeat("é", 255), ""},
	{strings.Repeat("é", 256), "", fault.TooLong},
	{strings.Repeat("a", 256), "", fault.TooLong},
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, r := range lines {
		got, code := answer(t, func(c *fault.Check) string { return input.Text(c, r.text, 255) })
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
	}
}

func TestNote(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{"one\r\ntwo\rthree\u2028four\tfive\n\n", "one\ntwo\nthree\nfour\tfive", ""},
		{"שלום" + mark + " (hello)", "שלום" + mark + " (hello)", ""},
		{mark + "\u061c\n", "", fault.Blank},
		{"a\vb", "", fault.Invalid},
		{"a\x00b", "", fault.Invalid},
		{"a\u202eb", "", fault.Invalid},
		{"a\u2066b", "", fault.Invalid},
		{"a\u200bb", "", fault.Invalid},
		{strings.Repeat("\r\n", 20) + strings.Repeat("a", 255), strings.Repeat("a", 255), ""},
		{strings.Repeat(zeroWidth, 10), "", fault.Blank},
	} {
		got, code := answer(t, func(c *fault.Check) string { return input.Note(c, r.text, 255) })
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"AB 12é", " AB 12é", "AB 12é\t", "\u00a0AB 12é\u00a0", "AB\u00a012é", "AB\u200712é", "\ufeffAB 12é", zeroWidth + "AB 12é" + mark,
		"AB 12e\u0301", "\u2066AB 12é\u2069", "\r\nAB 12é\r\n",
	} {
		got, code := answer(t, func(c *fault.Check) string { return input.Key(c, text, 255) })
		require.Empty(t, code, "%+q", text)
		require.Equal(t, "AB 12é", got, "%+q", text)
		require.Equal(t, "AB 12é", input.KeyForm(text), "%+q", text)
	}
	for _, r := range []row{
		{"00123", "00123", ""}, {"1.0.1", "1.0.1", ""}, {"12.5", "12.5", ""}, {"😀", "😀", ""}, {"NA", "NA", ""}, {"#7", "#7", ""}, {"Nancy", "Nancy", ""}, {"none", "none", ""},
		{"3E10", "3E10", ""}, {"=", "=", ""}, {"aGk=", "aGk=", ""},
		{`="00123"`, "", fault.Invalid}, {"='00123'", "", fault.Invalid}, {"=A1", "", fault.Invalid}, {`=T("1")`, "", fault.Invalid},
		{"3002196.0", "", fault.Invalid}, {"3002196,00", "", fault.Invalid}, {"1.23457E+14", "", fault.Invalid}, {"3E+06", "", fault.Invalid},
		{"#N/A", "", fault.Invalid}, {"#REF!", "", fault.Invalid}, {"#Value!", "", fault.Invalid}, {"#DIV/0!", "", fault.Invalid}, {"#####", "", fault.Invalid},
		{`\N`, "", fault.Invalid}, {"NULL", "", fault.Invalid}, {"null", "", fault.Invalid}, {"(null)", "", fault.Invalid}, {"NaN", "", fault.Invalid},
		{"None", "", fault.Invalid}, {"undefined", "", fault.Invalid}, {" #N/A ", "", fault.Invalid},
		{"a\u200bb", "", fault.Invalid}, {"a\ufeffb", "", fault.Invalid}, {"a\tb", "", fault.Invalid}, {"a\u200db", "", fault.Invalid},
		{"a\u202eb", "", fault.Invalid}, {"❤\ufe0f", "", fault.Invalid}, {"a\ufffdb", "", fault.Invalid}, {"a\x00", "", fault.Invalid}, {"a\xff", "", fault.Invalid},
		{"", "", fault.Blank}, {strings.Repeat(zeroWidth, 10), "", fault.Blank}, {strings.Repeat("a", 256), "", fault.TooLong},
		{"4111 1111 1111 1111", "", fault.Invalid}, {"4111\u00a01111\u00a01111\u00a01111", "", fault.Invalid},
	} {
		got, code := answer(t, func(c *fault.Check) string { return input.Key(c, r.text, 255) })
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
	}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{"ann@example.com", "ann@example.com", ""}, {" Ann@EXAMPLE.Com ", "Ann@example.com", ""}, {"\ufeffann@example.com" + zeroWidth, "ann@example.com", ""},
		{"a\u200bnn@example.com", "", fault.Invalid}, {"ann@exam\u00adple.com", "", fault.Invalid}, {"a\u200dnn@example.com", "", fault.Invalid},
		{"ann@example.com\u2068b", "", fault.Invalid}, {"ann@exa\u00a0mple.com", "", fault.Invalid}, {"ann", "", fault.Invalid}, {"a@b.com, c@d.com", "", fault.Invalid},
		{"Ann <ann@example.com>", "", fault.Invalid}, {"ann@localhost", "", fault.Invalid}, {"", "", fault.Blank},
	} {
		got, code := answer(t, func(c *fault.Check) string { return input.Email(c, r.text, 255) })
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
	}
}

func TestPhone(t *testing.T) {
	t.Parallel()
	const number = "+14155550123"
	for _, r := range []row{
		{number, number, ""}, {"(415) 555-0123", number, ""}, {"415.555.0123", number, ""}, {"1-415-555-0123", number, ""}, {"+1 (415) 555 0123", number, ""},
		{"\u202a+1 415-555-0123\u202c", number, ""}, {"\u2066(415)\u2069\u00a0555\u20110123", number, ""}, {"\u200e415 555 0123\u200f", number, ""},
		{"tel:+1-415-555-0123", number, ""}, {"1-800-FLOWERS", "+18003569377", ""}, {"+44 20 7946 0958", "+442079460958", ""}, {"＋４４ 20 7946 0958", "+442079460958", ""},
		{"+49 30/1234567", "+49301234567", ""}, {"+49 (0)30 / 123 45 67", "+49301234567", ""}, {"415/555-0123", number, ""}, {"TEL: 415 555 0123", number, ""},
		{"+49 30 1234567/1268", "", fault.Invalid}, {"+49 30/1234567/1268", "", fault.Invalid}, {"+49 30 1234567/68", "", fault.Invalid}, {"030 1234567/415 555 0199", "", fault.Invalid},
		{"Bob 4155550123", "", fault.Invalid}, {"Smith 415-555-0123", "", fault.Invalid}, {"tel:Bob 4155550123", "", fault.Invalid}, {"هاتف 4155550123", "", fault.Invalid},
		{"415 555 0123 x12", "", fault.Invalid}, {"415-555-0123 ext. 5", "", fault.Invalid}, {"415-555-0123 extension 5", "", fault.Invalid}, {"4155550123x5", "", fault.Invalid},
		{"+14155550123;ext=5", "", fault.Invalid}, {"415 555 0123 #5", "", fault.Invalid}, {"415 555 0123,,5", "", fault.Invalid}, {"415 555 0123 ext", "", fault.Invalid},
		{"415 555 0123 / 415 555 0199", "", fault.Invalid}, {"1415555012/3", "", fault.Invalid}, {"415 555 0123 or 415 555 0199", "", fault.Invalid},
		{"415 555 0123 415 555 0199", "", fault.Invalid}, {"12", "", fault.Invalid}, {"0", "", fault.Invalid}, {"a\x00", "", fault.Invalid}, {"+1415555\xff", "", fault.Invalid},
		{"\u202a\u202c", "", fault.Blank}, {"", "", fault.Blank}, {strings.Repeat("1", 256), "", fault.TooLong},
	} {
		got, code := answer(t, func(c *fault.Check) string { n, _ := input.Phone(c, r.text); return n })
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
		parsed, _, ok := input.ParsePhone(r.text)
		require.Equal(t, r.want, parsed, "%+q", r.text)
		require.Equal(t, r.code == "", ok, "%+q", r.text)
	}
}

// The message says what is wrong with a number that the library would have cut short.
func TestPhoneSaysThatItIsSeveral(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"415 555 0123 x12", "415 555 0123 ext. 12", "415 555 0123 / 415 555 0199", "1415555012/3", "415-555-0123, 415-555-0199"} {
		c := fault.NewCheck()
		input.Phone(c, text)
		require.Contains(t, c.Errors()[0].Message, "one phone number without an extension", text)
	}
}

func TestMomentDateLanguage(t *testing.T) {
	t.Parallel()
	for _, r := range []row{
		{"2023-01-01T08:00:00.123456Z", "2023-01-01T08:00:00.123Z", ""}, {" 2023-01-01T08:00:00+02:00\ufeff", "2023-01-01T06:00:00.000Z", ""},
		{"2023-01-01", "", fault.Invalid}, {"2023-01-01T08:00:00", "", fault.Invalid}, {"", "", fault.Blank}, {zeroWidth, "", fault.Blank}, {"a\x00", "", fault.Invalid},
		{"1022-01-01T08:00:00Z", "", fault.OutOfRange}, {"2023-01-01t08:00:00z", "2023-01-01T08:00:00.000Z", ""}, {"2023-01-01T08:00:00-23:59", "2023-01-02T07:59:00.000Z", ""},
		{"2023-01-01T8:00:00Z", "", fault.Invalid}, {"2023-01-01T08:00:00,5Z", "", fault.Invalid}, {"2023-01-01T08:00:00+24:00", "", fault.Invalid},
		{"2023-01-01T08:00:00+23:60", "", fault.Invalid}, {"2023-01-01T08:00:00.Z", "", fault.Invalid}, {"2023-01-01 08:00:00Z", "", fault.Invalid},
		{"2023-02-29T08:00:00Z", "", fault.Invalid}, {"2023-01-01T24:00:00Z", "", fault.Invalid}, {"2023-01-01T08:00:00Z\n", "2023-01-01T08:00:00.000Z", ""}, {"２023-01-01T08:00:00Z", "", fault.Invalid},
	} {
		got, code := answer(t, func(c *fault.Check) string {
			at, ok := input.Moment(c, r.text)
			if !ok {
				return ""
			}
			return at.Format("2006-01-02T15:04:05.000Z07:00")
		})
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
	}
	for _, r := range []row{
		{" 1985-06-15\u00a0", "1985-06-15", ""}, {"1985-02-30", "", fault.Invalid}, {"6/15/1985", "", fault.Invalid}, {"", "", fault.Blank}, {"\x00", "", fault.Invalid},
	} {
		got, code := answer(t, func(c *fault.Check) string {
			day, ok := input.Date(c, r.text)
			if !ok {
				return ""
			}
			return day.String()
		})
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
	}
	for _, r := range []row{
		{"EN", "en", ""}, {"es-mx", "es-MX", ""}, {"zh-hANT-tw", "zh-Hant-TW", ""}, {" en\u200b", "en", ""}, {"english", "", fault.Invalid}, {"", "", fault.Blank},
		{strings.Repeat("a", 36), "", fault.TooLong},
	} {
		got, code := answer(t, func(c *fault.Check) string { return input.Language(c, r.text) })
		require.Equal(t, r.code, code, "%+q", r.text)
		require.Equal(t, r.want, got, "%+q", r.text)
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	ten := func(s string) *string { return &s }
	for _, r := range []struct {
		text *string
		want string
		code fault.UserCode
	}{
		{ten("the court asked"), "the court asked", ""}, {ten(strings.Repeat(zeroWidth, 10)), "", fault.Blank}, {ten(strings.Repeat("\u00a0", 10)), "", fault.Blank},
		{ten("a" + strings.Repeat(zeroWidth, 10)), "", fault.TooShort}, {ten("short"), "", fault.TooShort}, {ten(strings.Repeat("a", 501)), "", fault.TooLong},
		{ten("the court\x00 asked"), "", fault.Invalid}, {nil, "", fault.Required},
	} {
		got, code := answer(t, func(c *fault.Check) string { return input.Reason(c, r.text, 10, 500) })
		require.Equal(t, r.code, code)
		require.Equal(t, r.want, got)
	}
	c := fault.NewCheck()
	require.Empty(t, input.Reason(c, nil, 0, 500))
	require.True(t, c.OK(), "no reason is needed")
}

func TestSetAndClear(t *testing.T) {
	t.Parallel()
	text := " Ann "
	for _, r := range []struct {
		in      graphql.Omittable[*string]
		set     string
		cleared *string
		code    fault.UserCode
		wrote   bool
	}{
		{graphql.Omittable[*string]{}, "old", ptr("old"), "", false},
		{graphql.OmittableOf[*string](nil), "old", nil, fault.Required, true},
		{graphql.OmittableOf(&text), "Ann", ptr("Ann"), "", true},
		{graphql.OmittableOf(ptr("")), "old", ptr("old"), fault.Blank, false},
	} {
		to, optional := "old", ptr("old")
		wrote, code := answer(t, func(c *fault.Check) bool { return input.Set(c, r.in, 10, &to) })
		require.Equal(t, r.code, code)
		require.Equal(t, r.set, to)
		require.Equal(t, r.wrote && code == "", wrote)
		wrote, _ = answer(t, func(c *fault.Check) bool { return input.Clear(c, r.in, 10, &optional) })
		require.Equal(t, r.cleared, optional)
		require.Equal(t, r.wrote, wrote)
	}
}

func ptr[T any](v T) *T { return &v }

func TestVersionAndNoSuch(t *testing.T) {
	t.Parallel()
	c := fault.NewCheck("input")
	input.Version(c, nil, 3, "note")
	input.Version(c, ptr(int32(3)), 3, "note")
	require.True(t, c.OK())
	input.Version(c, ptr(int32(2)), 3, "note")
	require.Equal(t, fault.UserErrors{{Code: fault.StaleVersion, Message: "The note was changed since it was read; read it again.", Path: []string{"input", "expectedVersion"}}}, c.Errors())

	require.NoError(t, input.NoSuch(nil, "note", "id"))
	other := fault.New(fault.Forbidden, "No.")
	require.Equal(t, error(other), input.NoSuch(other, "note", "id"))
	require.Equal(t, fault.UserErrors{{Code: fault.Missing, Message: "There is no such note in this organization.", Path: []string{"input", "id"}}},
		input.NoSuch(fault.New(fault.NotFound, "x"), "note", "input", "id"))
}

// forms are all functions that bring a text into its form; each accepts what it returned, and returns it again.
var forms = map[string]func(c *fault.Check, text string) string{
	"text":     func(c *fault.Check, text string) string { return input.Text(c, text, 300) },
	"note":     func(c *fault.Check, text string) string { return input.Note(c, text, 300) },
	"key":      func(c *fault.Check, text string) string { return input.Key(c, text, 300) },
	"email":    func(c *fault.Check, text string) string { return input.Email(c, text, 300) },
	"phone":    func(c *fault.Check, text string) string { n, _ := input.Phone(c, text); return n },
	"language": input.Language,
	"reason":   func(c *fault.Check, text string) string { return input.Reason(c, &text, 1, 300) },
}

// hold checks what is true of every function for every text.
func hold(t require.TestingT, text string) {
	for name, read := range forms {
		once, code := answer(t, func(c *fault.Check) string { return read(c, text) })
		if code != "" {
			require.Empty(t, once, "%s(%+q)", name, text)
			continue
		}
		require.NotEmpty(t, once, "%s(%+q)", name, text)
		require.True(t, utf8.ValidString(once) && norm.NFC.IsNormalString(once), "%s(%+q) = %+q", name, text, once)
		require.NotContains(t, once, "\x00")
		require.LessOrEqual(t, utf8.RuneCountInString(once), 300)
		twice, code := answer(t, func(c *fault.Check) string { return read(c, once) })
		require.Empty(t, code, "%s(%+q) = %+q is refused", name, text, once)
		require.Equal(t, once, twice, "%s(%+q)", name, text)
		wrapped, code := answer(t, func(c *fault.Check) string { return read(c, " \ufeff"+once+"\u200b\u00a0") })
		if name != "phone" || code == "" {
			require.Equal(t, once, wrapped, "%s(%+q) in white space", name, text)
		}
	}
	if key, code := answer(t, func(c *fault.Check) string { return input.Key(c, text, 300) }); code == "" {
		require.Equal(t, key, input.KeyForm(text), "a lookup finds what was stored")
		require.Equal(t, key, input.KeyForm(norm.NFD.String(text)))
	}
	require.Equal(t, input.Form(text), input.Form(input.Form(text)))
	require.Equal(t, input.EmailForm(text), input.EmailForm(input.EmailForm(text)))
}

// traps are the runes that the rules are about.
var traps = []rune("aé1 \t\n\r\u0000\u0007\u0085\u00a0\u00ad\u0301\u034f\u061c\u094d\u115f\u180b\u200b\u200c\u200d\u200e\u2028\u202e\u2066\u2069\u2800\u3000\u3164\ufe0f\ufeff\ufffd❤👩\U0001F3F4\U000E0067\U000E007F葛=\"#.0+xE@-()/क")

func TestFormsAreIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		hold(t, rapid.OneOf(rapid.StringOf(rapid.SampledFrom(traps)), rapid.String(), rapid.StringMatching(`[+(]?[0-9 ().-]{7,16}( ?x[0-9]{1,4})?`)).Draw(t, "text"))
	})
}

func FuzzForms(f *testing.F) {
	for _, r := range lines {
		f.Add(r.text)
	}
	f.Add("+1 (415) 555-0123 x12")
	f.Add("Ann@EXAMPLE.com")
	f.Add(`="00123"`)
	f.Add("zh-hant-tw")
	f.Fuzz(func(t *testing.T, text string) { hold(t, text) })
}

// Every moment that Go writes is read, in small letters too; what is read is what Go reads, and what Go alone reads breaks RFC 3339.
func FuzzMoments(f *testing.F) {
	for _, text := range []string{"2023-01-01T08:00:00.123456789+05:45", "2023-01-01T8:00:00Z", "2023-01-01T08:00:00,5Z", "2023-01-01t08:00:00z", "2023-01-01T08:00:00-24:00", "0000-12-31T23:59:59Z"} {
		f.Add(text, int64(1700000000), int64(123456789), 345)
	}
	f.Fuzz(func(t *testing.T, text string, seconds, nanos int64, offset int) {
		got, ok := input.ParseMoment(text)
		form := strings.ToUpper(input.Form(text))
		want, err := time.Parse(time.RFC3339Nano, form)
		inRange := want.UTC().Year() >= 1 && want.UTC().Year() <= 9999
		switch {
		case ok:
			require.NoError(t, err)
			require.Equal(t, input.Milliseconds(want), got)
		case err == nil && inRange:
			zone := form[max(len(form)-6, 0):]
			require.True(t, strings.Contains(form, ",") || form[12] == ':' || zone[1:3] >= "24" || zone[4:] >= "60", "%q", text)
		}
		written := time.Unix(seconds%(1<<37), nanos%1e9).In(time.FixedZone("", offset%1440*60))
		if year := written.UTC().Year(); year < 1 || year > 9999 || written.Year() < 0 || written.Year() > 9999 {
			return
		}
		for _, text := range []string{written.Format(time.RFC3339Nano), strings.ToLower(written.Format(time.RFC3339Nano))} {
			got, ok := input.ParseMoment(text)
			require.True(t, ok, text)
			require.Equal(t, input.Milliseconds(written), got, text)
		}
	})
}

func BenchmarkText(b *testing.B) {
	for name, text := range map[string]string{"plain": "Camila Rodriguez-Lee", "accent": "Camila Rodríguez"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := fault.Check{}
				input.Text(&c, text, 255)
			}
		})
	}
}
