package console_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"xueji/server/internal/console/consoletest"
	"xueji/server/internal/service"
	"xueji/server/internal/store"
	"xueji/server/registry"
)

// A name that is searched for, a pupil's or a member of staff's, stands in no address of the console: the form posts it, and the pages of what is found carry it sealed.
func TestSearchStaysOutOfAddresses(t *testing.T) {
	f := consoletest.New()
	for n := range 250 { // the pages of a list are of what was found
		id := fmt.Sprint("s", n)
		f.Staff[id] = service.Staff{Account: store.Account{ID: id, Login: id, Name: []string{"欧阳明", "司马光"}[n%2], Unit: f.Staff["officer"].Unit, Role: registry.RoleOfficer}}
	}
	officer := client{t: t, app: app(t, f), who: "officer"}
	const name = "欧阳"
	for path, post := range map[string]string{"/pupils": "/pupils", "/certificates": "/certificates", "/staff": "/staff", "/staff-register": "/staff-register/find"} {
		if res, _ := officer.post(post, vals("q", " ")); res.Header.Get("Location") != path {
			t.Errorf("nothing typed leads to %q", res.Header.Get("Location"))
		}
		res, _ := officer.post(post, vals("q", " "+name+" ", "school", "", "page", "3"))
		to := res.Header.Get("Location")
		if u, err := url.Parse(to); err != nil || res.StatusCode != 303 || u.Path != path || u.Query().Get("s") == "" || len(u.Query()) != 1 || strings.Contains(to, url.QueryEscape(name)) {
			t.Fatalf("%s leads to %q", path, to)
		}
		if _, body := officer.get(path + "?q=" + url.QueryEscape(name)); strings.Contains(body, `value="`+name+`"`) {
			t.Errorf("%s: a name in the address is looked for", path)
		}
		_, body := officer.get(to)
		if !strings.Contains(body, `value="`+name+`"`) || strings.Contains(body, url.QueryEscape(name)) {
			t.Errorf("%s: the search is gone, or in an address again", path)
		}
		if strings.HasPrefix(path, "/staff") && (!strings.Contains(body, "page=2") || !strings.Contains(body, "欧阳明") || strings.Contains(body, "司马光")) {
			t.Errorf("%s is not narrowed, or the rest of what was found is not reached", path)
		}
		for _, form := range strings.Split(body, "<form ")[1:] {
			if tag, rest, _ := strings.Cut(form, ">"); strings.Contains(strings.SplitN(rest, "</form>", 2)[0], `name="q"`) && !strings.Contains(tag, `method="post"`) {
				t.Errorf("%s: a search by address: %s", path, tag)
			}
		}
	}
}
