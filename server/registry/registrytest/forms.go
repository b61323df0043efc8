package registrytest

import (
	"fmt"
	"strings"

	"xueji/server/registry"
)

// Form is a complete form without a finding on Start: a boy of grade 3 with a resident ID made from serial (1–499).
func Form(serial int) registry.Form {
	return FormOf("欧阳𬀩", "2018-03-09", 2*serial-1, 3)
}

// FormOf makes a complete form: the resident ID is of region 330106, the birth date and the serial (1–999; odd for a boy).
func FormOf(name string, birth registry.Date, serial, grade int) registry.Form {
	id := ID("330106", birth, serial)
	month := "2024-09"
	if y := birth.Year() + 6; y > 1000 {
		month = fmt.Sprintf("%04d-09", y)
	}
	return registry.Form{
		registry.FName: name, registry.FSex: registry.IDSex(id), registry.FBirth: string(birth), registry.FBirthPlace: "330106", registry.FNation: "01",
		registry.FCountry: "156", registry.FIDType: "1", registry.FIDNumber: id, registry.FOverseas: "00", registry.FHealth: "10",
		registry.FHukou: "330106000000", registry.FHukouKind: "2", registry.FGrade: fmt.Sprint(grade), registry.FClass: "2班", registry.FClassNo: "17",
		registry.FEnrolMonth: month, registry.FEnrolWay: "1", registry.FMode: "1", registry.FSource: "1", registry.FAddress: "浙江省杭州市西湖区文二西路1号",
		registry.FMailAddress: "浙江省杭州市西湖区文二西路1号", registry.FHomeAddress: "浙江省杭州市西湖区文二西路1号", registry.FPhone: "13800000000",
		registry.FPost: "310012", registry.FOnlyChild: "1", registry.FPreschool: "1", registry.FLeftBehind: "0", registry.FMigrant: "0",
		registry.FOrphan: "0", registry.FMartyr: "0", registry.FAidApply: "0", registry.FAllowance: "0",
		registry.FG1Name: "阿依古丽·买买提", registry.FG1Relation: "52", "g1.address": "浙江省杭州市西湖区文二西路1号", "g1.hukou": "330106",
		registry.FG1Phone: "13800000001", registry.FG1Custody: "1", registry.FG1IDType: "1", registry.FG1IDNumber: ID("330106", "1988-05-20", 246),
	}
}

// ID makes a resident ID with a right check character.
func ID(region string, birth registry.Date, serial int) string {
	body := fmt.Sprintf("%s%s%03d", region, strings.ReplaceAll(string(birth), "-", ""), serial)
	return body + string(registry.IDCheckChar(body))
}

// WithoutID is a form of a pupil without any document of their own; a guardian's stands in (T1).
func WithoutID(f registry.Form) registry.Form {
	f = registry.Pupil{Form: f}.Clone().Form
	f[registry.FIDType] = "Z"
	delete(f, registry.FIDNumber)
	return f
}
