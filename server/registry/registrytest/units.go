package registrytest

import "xueji/server/registry"

// Units of a small world: two counties and a directly run school under one city, and a county of another province.
const (
	Nation        registry.Unit = "000000" // 教育部
	Province      registry.Unit = "330000" // 浙江省教育厅
	City          registry.Unit = "330100" // 杭州市教育局
	CountyA       registry.Unit = "330106" // 西湖区教育局
	CountyB       registry.Unit = "330110" // 余杭区教育局
	OtherProvince registry.Unit = "320000" // 江苏省教育厅
	OtherCity     registry.Unit = "320500" // 苏州市教育局
	CountyC       registry.Unit = "320509" // 吴江区教育局

	PrimaryA   registry.Unit = "2133000101" // 小学, county A
	PrimaryA2  registry.Unit = "2133000102" // 小学, county A
	JuniorA    registry.Unit = "3133000103" // 初级中学, county A
	NineYearB  registry.Unit = "3133000201" // 九年一贯制学校, county B
	CitySchool registry.Unit = "3133000301" // 九年一贯制学校, lies in county A, run by the city (Art. 3)
	PrimaryC   registry.Unit = "2132000401" // 小学, another province
	JuniorC    registry.Unit = "3132000402" // 初级中学, another province
	SpecialA   registry.Unit = "5133000501" // 特殊教育学校, county A
)

// Directory is a snapshot held in memory.
type Directory struct {
	schools map[registry.Unit]registry.School
	offices map[registry.Unit]registry.Office
}

// NewDirectory makes a directory of any schools and offices.
func NewDirectory(schools []registry.School, offices []registry.Office) *Directory {
	d := &Directory{schools: map[registry.Unit]registry.School{}, offices: map[registry.Unit]registry.Office{}}
	for _, s := range schools {
		d.schools[s.Code] = s
	}
	for _, o := range offices {
		d.offices[o.Code] = o
	}
	return d
}

// School finds a school.
func (d *Directory) School(u registry.Unit) (registry.School, bool) {
	s, ok := d.schools[u]
	return s, ok
}

// Office finds an office.
func (d *Directory) Office(u registry.Unit) (registry.Office, bool) {
	o, ok := d.offices[u]
	return o, ok
}

// Name is the unit's name, or its code.
func (d *Directory) Name(u registry.Unit) string {
	if s, ok := d.schools[u]; ok {
		return s.Name
	}
	if o, ok := d.offices[u]; ok {
		return o.Name
	}
	return string(u)
}

// Schools lists the schools of the small world.
func Schools() []registry.School {
	return []registry.School{
		{Code: PrimaryA, Name: "文新小学", Kind: registry.KindPrimary, Region: "330106", Authority: CountyA, FromGrade: 1, ToGrade: 6, Public: true},
		{Code: PrimaryA2, Name: "古荡小学", Kind: registry.KindPrimary, Region: "330106", Authority: CountyA, FromGrade: 1, ToGrade: 6, Public: true},
		{Code: JuniorA, Name: "西溪初级中学", Kind: registry.KindJunior, Region: "330106", Authority: CountyA, FromGrade: 7, ToGrade: 9, Public: true},
		{Code: NineYearB, Name: "良渚实验学校", Kind: registry.KindNineYear, Region: "330110", Authority: CountyB, FromGrade: 1, ToGrade: 9, Public: true},
		{Code: CitySchool, Name: "杭州市实验学校", Kind: registry.KindNineYear, Region: "330106", Authority: City, FromGrade: 1, ToGrade: 9, Public: true},
		{Code: PrimaryC, Name: "松陵小学", Kind: registry.KindPrimary, Region: "320509", Authority: CountyC, FromGrade: 1, ToGrade: 6, Public: true},
		{Code: JuniorC, Name: "吴江初级中学", Kind: registry.KindJunior, Region: "320509", Authority: CountyC, FromGrade: 7, ToGrade: 9, Public: true},
		{Code: SpecialA, Name: "文澜培智学校", Kind: registry.KindSpecial, Region: "330106", Authority: CountyA, FromGrade: 1, ToGrade: 9, Public: true},
	}
}

// Offices lists the offices of the small world.
func Offices() []registry.Office {
	return []registry.Office{
		{Code: Nation, Name: "教育部", Tier: registry.TierNation},
		{Code: Province, Name: "浙江省教育厅", Tier: registry.TierProvince, Parent: Nation},
		{Code: City, Name: "杭州市教育局", Tier: registry.TierCity, Parent: Province},
		{Code: CountyA, Name: "西湖区教育局", Tier: registry.TierCounty, Parent: City},
		{Code: CountyB, Name: "余杭区教育局", Tier: registry.TierCounty, Parent: City},
		{Code: OtherProvince, Name: "江苏省教育厅", Tier: registry.TierProvince, Parent: Nation},
		{Code: OtherCity, Name: "苏州市教育局", Tier: registry.TierCity, Parent: OtherProvince},
		{Code: CountyC, Name: "吴江区教育局", Tier: registry.TierCounty, Parent: OtherCity},
	}
}

// SmallWorld is the directory of Schools and Offices.
func SmallWorld() *Directory { return NewDirectory(Schools(), Offices()) }
