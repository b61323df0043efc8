package console

import (
	"github.com/gofiber/fiber/v2"

	"xueji/server/internal/service"
	"xueji/server/registry"
)

func (m may) keeps() bool { return m.Keep }

// photosView is the page on which a school files its pupils' portraits, and after it what became of each picture.
type photosView struct {
	Rows  []photoLine
	Filed int
	Bad   int
	MaxMB int
}

type photoLine struct {
	service.PhotoRow
	Why string
}

func (k *console) photosPage(c *fiber.Ctx, who service.Staff) error {
	return k.photosShow(c, who, nil, nil)
}

func (k *console) photosShow(c *fiber.Ctx, who service.Staff, rows []service.PhotoRow, pr *problem) error {
	v := photosView{MaxMB: MaxUpload >> 20}
	for _, bad := range []bool{true, false} { // what is to be mended comes first
		for _, r := range rows {
			fine := r.State == service.PhotoFiled || r.State == service.PhotoSame
			if fine == bad {
				continue
			}
			line := photoLine{PhotoRow: r, Why: k.words.say(k.lang(c), "photos.state."+r.State)}
			if r.Err != nil {
				line.Why = k.problem(c, r.Err).Title
			}
			switch {
			case bad:
				v.Bad++
			default:
				v.Filed++
			}
			v.Rows = append(v.Rows, line)
		}
	}
	return k.show(c, &who, "photos", "photos.title", v, withActive("enrol"), withProblem(pr))
}

func (k *console) putPhotos(c *fiber.Ctx, who service.Staff) error {
	files, done, err := chosen(c, "photos")
	defer done()
	if err != nil {
		return err
	}
	rows, err := k.Service.PutPhotos(c.UserContext(), who, files)
	if registry.CodeOf(err) == registry.CodeInvalid {
		c.Status(fiber.StatusUnprocessableEntity)
		return k.photosShow(c, who, nil, &problem{Title: k.words.say(k.lang(c), "photos.none"), Help: k.words.say(k.lang(c), "photos.help"), Field: "photos"})
	}
	if err != nil {
		return err
	}
	return k.photosShow(c, who, rows, nil)
}
