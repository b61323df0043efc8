package console_test

import (
	"net/url"
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
)

// A name that is searched for stands in no address of the console: the form posts it, and the pages of what is found carry it sealed.
func TestSearchStaysOutOfAddresses(t *testing.T) {
	officer := client{t: t, app: app(t, consoletest.New()), who: "officer"}
	const name = "欧阳"
	for _, path := range []string{"/pupils", "/certificates"} {
		if res, _ := officer.post(path, vals("q", " ")); res.Header.Get("Location") != path {
			t.Errorf("nothing typed leads to %q", res.Header.Get("Location"))
		}
		res, _ := officer.post(path, vals("q", " "+name+" ", "school", "", "page", "3"))
		to := res.Header.Get("Location")
		if u, err := url.Parse(to); err != nil || res.StatusCode != 303 || u.Path != path || u.Query().Get("s") == "" || len(u.Query()) != 1 || strings.Contains(to, url.QueryEscape(name)) {
			t.Fatalf("%s leads to %q", path, to)
		}
		_, body := officer.get(to)
		if !strings.Contains(body, `value="`+name+`"`) || strings.Contains(body, "q="+url.QueryEscape(name)) {
			t.Errorf("%s: the search is gone, or in an address again", path)
		}
		for _, form := range strings.Split(body, "<form ")[1:] {
			if tag, rest, _ := strings.Cut(form, ">"); strings.Contains(strings.SplitN(rest, "</form>", 2)[0], `name="q"`) && !strings.Contains(tag, `method="post"`) {
				t.Errorf("%s: a search by address: %s", path, tag)
			}
		}
	}
}
