package openapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3gen"

	"xueji/server/api"
)

var update = flag.Bool("update", false, "make openapi.json anew; read what changed: integrators build on it")

func TestTheDocumentIsOfTheTable(t *testing.T) {
	got := document(t)
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, JSON) {
		t.Fatal("openapi.json is not what the table of routes and the types of package api say. Make it anew: go test ./server/internal/openapi -update")
	}
	loaded, err := openapi3.NewLoader().LoadFromData(JSON)
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, r := range api.Routes() {
		op := loaded.Paths.Value(r.Path).GetOperation(r.Method)
		if op == nil || op.Security == nil && r.Who != api.ByCode && r.Who != api.ByPeer {
			t.Errorf("%s %s: %v", r.Method, r.Path, op)
		}
		said++
	}
	for path, item := range loaded.Paths.Map() {
		said -= len(item.Operations())
		if said < 0 {
			t.Errorf("%s is in the document and not in the table", path)
		}
	}
}

// words are the comments of types and fields, by "Type" and "Type.json_name", and the known values of named strings.
type words struct {
	text   map[string]string
	values map[string][]string
}

func readWords(t *testing.T) words {
	w := words{map[string]string{}, map[string][]string{}}
	for _, dir := range []string{"../../api", "../../registry"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if g, ok := d.(*ast.GenDecl); ok {
					w.decl(g)
				}
			}
		}
	}
	return w
}

func (w words) decl(g *ast.GenDecl) {
	for _, s := range g.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			w.text[s.Name.Name] = line(s.Doc, g.Doc)
			st, ok := s.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, f := range st.Fields.List {
				if f.Tag == nil {
					continue
				}
				tag, _ := strconv.Unquote(f.Tag.Value)
				name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
				w.text[s.Name.Name+"."+name] = line(f.Doc, f.Comment)
			}
		case *ast.ValueSpec:
			id, ok := s.Type.(*ast.Ident)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, v := range s.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, _ := strconv.Unquote(lit.Value); text != "" {
						w.values[id.Name] = append(w.values[id.Name], text)
					}
				}
			}
		}
	}
}

func line(groups ...*ast.CommentGroup) string {
	var parts []string
	for _, g := range groups {
		if g != nil {
			parts = append(parts, strings.Join(strings.Fields(g.Text()), " "))
		}
	}
	return strings.Join(parts, " ")
}

// document makes the file's bytes.
func document(t *testing.T) []byte {
	w := readWords(t)
	owner := map[string]reflect.Type{}
	gen := openapi3gen.NewGenerator(
		openapi3gen.CreateComponentSchemas(openapi3gen.ExportComponentSchemasOptions{ExportComponentSchemas: true, ExportTopLevelSchema: true}),
		openapi3gen.SchemaCustomizer(func(_ string, typ reflect.Type, _ reflect.StructTag, s *openapi3.Schema) error {
			for typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			if s.Type != nil && s.Type.Is("integer") && s.Max != nil && *s.Max > 1<<53 {
				s.Max, s.Format = nil, "int64" // a double does not hold the bound
			}
			if typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
				s.Nullable = true // an empty list may come as null
			}
			ours := strings.HasPrefix(typ.PkgPath(), "xueji/")
			if ours && typ.Kind() == reflect.String {
				s.Description = w.text[typ.Name()]
				if v := w.values[typ.Name()]; len(v) > 0 {
					s.Extensions = map[string]any{"x-known-values": v}
				}
			}
			if !ours || typ.Kind() != reflect.Struct {
				return nil
			}
			if was := owner[typ.Name()]; was != nil && was != typ {
				return fmt.Errorf("%v and %v have one name", was, typ)
			}
			owner[typ.Name()] = typ
			s.Description = w.text[typ.Name()]
			s.Required = nil
			for f := range fields(typ) {
				name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
				p := s.Properties[name]
				if p == nil {
					return fmt.Errorf("%v.%s has no JSON name", typ, f.Name)
				}
				if !strings.Contains(opts, "omit") {
					s.Required = append(s.Required, name)
				}
				if text := w.text[typ.Name()+"."+name]; text != "" && p.Ref == "" && p.Value != nil {
					p.Value.Description = strings.TrimSpace(text)
				}
			}
			return nil
		}))
	schemas := openapi3.Schemas{}
	ref := func(v any) *openapi3.SchemaRef {
		r, err := gen.NewSchemaRefForValue(v, schemas)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	doc := &openapi3.T{OpenAPI: "3.0.3", Info: &openapi3.Info{Title: "学籍", Version: strconv.Itoa(api.Wire),
		Description: "The wire between the register, its kiosks, its issuer and other systems. JSON bodies, UTF-8. Bytes are base64. What a reader does not know it leaves alone: new members may come at any time."},
		Paths: openapi3.NewPaths(), Components: &openapi3.Components{Schemas: schemas, SecuritySchemes: openapi3.SecuritySchemes{
			string(api.ByDevice): {Value: &openapi3.SecurityScheme{Type: "apiKey", In: "header", Name: api.HeaderDevice,
				Description: `"<kiosk id> <unix seconds> <nonce> <base64url Ed25519 signature>" over "XJ1\n" METHOD "\n" PATH?QUERY "\n" unix "\n" nonce "\n" hex SHA-256 of the body. A clock more than 5 minutes off and a nonce seen before are refused. Where the server ends TLS, the device certificate is asked for too.`}},
			string(api.ByIssuer): {Value: &openapi3.SecurityScheme{Type: "http", Scheme: "bearer", Description: "the issuer's token"}},
			string(api.ByClient): {Value: &openapi3.SecurityScheme{Type: "http", Scheme: "basic", Description: "another system's id and secret, which the console showed once (docs/integrators.md)"}},
		}}}
	problem := ref(api.Problem{})
	ref(api.Event{}) // the bytes of a batch's payloads
	for _, r := range api.Routes() {
		codes := slices.Concat(r.Codes, api.CommonCodes)
		slices.Sort(codes)
		op := &openapi3.Operation{OperationID: id(r), Summary: r.Summary, Tags: []string{string(r.Who)}, Responses: openapi3.NewResponsesWithCapacity(2)}
		if r.Who != api.ByCode && r.Who != api.ByPeer {
			op.Security = openapi3.NewSecurityRequirements().With(openapi3.NewSecurityRequirement().Authenticate(string(r.Who)))
		}
		for _, q := range r.Query {
			p := openapi3.NewQueryParameter(q.Name).WithDescription(q.Summary).WithSchema(openapi3.NewStringSchema())
			if q.Integer {
				p.Schema = openapi3.NewSchemaRef("", openapi3.NewInt64Schema().WithMin(0))
			}
			op.AddParameter(p)
		}
		if r.In != nil {
			op.RequestBody = &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithRequired(true).WithJSONSchemaRef(ref(r.In))}
		}
		out := openapi3.NewSchemaRef("", openapi3.NewObjectSchema())
		if r.Out != nil {
			out = ref(r.Out)
		}
		op.Responses.Set("200", &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription("done").WithJSONSchemaRef(out)})
		said := make([]string, len(codes))
		for i, c := range codes {
			said[i] = string(c)
		}
		op.Responses.Set("default", &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription("a problem: " + strings.Join(slices.Compact(said), ", ")).WithJSONSchemaRef(problem)})
		doc.AddOperation(r.Path, r.Method, op)
	}
	raw, err := doc.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", " "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() && !f.Anonymous && f.Tag.Get("json") != "-" && !yield(f) {
				return
			}
		}
	}
}

// id names an operation for code generators: the method and the path's words.
func id(r api.Route) string {
	words := strings.FieldsFunc(strings.TrimPrefix(r.Path, "/v1/"), func(c rune) bool { return c == '/' || c == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return map[string]string{http.MethodGet: "get", http.MethodPost: "post", http.MethodPut: "put"}[r.Method] + strings.Join(words, "")
}
