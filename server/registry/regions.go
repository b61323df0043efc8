package registry

// provinces is the first level of GB/T 2260.
var provinces = rows(`11 北京市|12 天津市|13 河北省|14 山西省|15 内蒙古自治区|21 辽宁省|22 吉林省|23 黑龙江省|31 上海市|32 江苏省|33 浙江省|34 安徽省|35 福建省|36 江西省|
	37 山东省|41 河南省|42 湖北省|43 湖南省|44 广东省|45 广西壮族自治区|46 海南省|50 重庆市|51 四川省|52 贵州省|53 云南省|54 西藏自治区|61 陕西省|62 甘肃省|63 青海省|
	64 宁夏回族自治区|65 新疆维吾尔自治区|71 台湾省|81 香港特别行政区|82 澳门特别行政区|83 台湾居民居住证`)

var provinceByCode = func() map[string]string {
	m := map[string]string{}
	for _, p := range provinces {
		m[p.Code] = p.Title
	}
	return m
}()

// RegionAbroad stands for a birth place outside China where a form wants a GB/T 2260 code (practice, not the standard).
const RegionAbroad = "990000"

func provinceItems() []CodeItem {
	var out []CodeItem
	for _, p := range provinces {
		if p.Code != "83" { // no place: the first digits of a Taiwan resident's residence permit
			out = append(out, CodeItem{p.Code + "0000", p.Title})
		}
	}
	return append(out, CodeItem{RegionAbroad, "境外"})
}

// provinceTitle is the name behind the first two digits of a region code, "" for an unknown province.
func provinceTitle(two string) string { return provinceByCode[two] }

// ValidRegion accepts a plausible region code: 6 digits (GB/T 2260: province, city, county) or 12 (with township and village), of a known province. Counties
// come and go yearly and an ID number keeps the code of its day, so the county itself is not looked up. A county needs its city ("330006" is none).
func ValidRegion(code string) bool {
	if (len(code) != 6 && len(code) != 12) || !allDigits(code) {
		return false
	}
	if code == RegionAbroad {
		return true
	}
	if provinceTitle(code[:2]) == "" {
		return false
	}
	return code[2:4] != "00" || code[4:6] == "00"
}
