package registry

import "fmt"

// decoders is the closed table of events; a new event stands here or cannot be read back.
var decoders = map[EventKind]func([]byte) (Event, error){
	EvEnrol:          decodeAs[Enrol],
	EvDecideStep:     decodeAs[DecideStep],
	EvWithdraw:       decodeAs[Withdraw],
	EvStartTransfer:  decodeAs[StartTransfer],
	EvBuildArchive:   decodeAs[BuildArchive],
	EvSendArchive:    decodeAs[SendArchive],
	EvReceiveArchive: decodeAs[ReceiveArchive],
	EvSettleMissing:  decodeAs[SettleMissing],
	EvStartSuspend:   decodeAs[StartSuspend],
	EvReturn:         decodeAs[Return],
	EvBindCard:       decodeAs[BindCard],
	EvCardWritten:    decodeAs[CardWritten],
	EvSetPIN:         decodeAs[SetPIN],
	EvRevokeCard:     decodeAs[RevokeCard],
	EvChangeCard:     decodeAs[ChangeCard],
	EvRenewCard:      decodeAs[RenewCard],

	EvStartCorrect:      decodeAs[StartCorrect],
	EvAmend:             decodeAs[Amend],
	EvPromote:           decodeAs[Promote],
	EvUndoPromote:       decodeAs[UndoPromote],
	EvStartRepeat:       decodeAs[StartRepeat],
	EvStartSkip:         decodeAs[StartSkip],
	EvStartFinish:       decodeAs[StartFinish],
	EvStartAdvance:      decodeAs[StartAdvance],
	EvStartExtend:       decodeAs[StartExtend],
	EvGoAbroad:          decodeAs[GoAbroad],
	EvComeHome:          decodeAs[ComeHome],
	EvReportDeath:       decodeAs[ReportDeath],
	EvReportDropout:     decodeAs[ReportDropout],
	EvFileReport:        decodeAs[FileReport],
	EvLogPersuasion:     decodeAs[LogPersuasion],
	EvReturnFromDropout: decodeAs[ReturnFromDropout],
	EvHandOverArchive:   decodeAs[HandOverArchive],
	EvPutItem:           decodeAs[PutItem],
	EvKeepArchive:       decodeAs[KeepArchive],
	EvMoveCustody:       decodeAs[MoveCustody],
	EvArrange:           decodeAs[Arrange],
	EvEndArrange:        decodeAs[EndArrange],
	EvGiveNumber:        decodeAs[GiveNumber],
	EvRaiseProblem:      decodeAs[RaiseProblem],
	EvResolveProblem:    decodeAs[ResolveProblem],
	EvStartErase:        decodeAs[StartErase],
	EvMerge:             decodeAs[Merge],
	EvUnmerge:           decodeAs[Unmerge],
	EvEscalate:          decodeAs[Escalate],
	EvUrge:              decodeAs[UrgeStep],

	EvCallOver:   decodeAs[CallOver],
	EvNameFar:    decodeAs[NameFar],
	EvOfferUp:    decodeAs[OfferUp],
	EvDeclined:   decodeAs[OfferDeclined],
	EvFarRequest: decodeAs[FarRequest],
	EvFarArrived: decodeAs[FarArrived],
	EvFarClosed:  decodeAs[FarClosed],
	EvContinue:   decodeAs[Continue],
	EvFarReceipt: decodeAs[FarReceipt],
	EvGiveBack:   decodeAs[GiveBack],
	EvTakeBack:   decodeAs[TakeBack],
	EvFarSent:    decodeAs[FarSent],

	EvRecordAbsence: decodeAs[RecordAbsence],
	EvFollowAbsence: decodeAs[FollowAbsence],
	EvEndAbsence:    decodeAs[EndAbsence],
}

// EventKinds lists every event, in the order of their constants.
func EventKinds() []EventKind {
	return []EventKind{EvEnrol, EvDecideStep, EvWithdraw, EvStartTransfer, EvBuildArchive, EvSendArchive, EvReceiveArchive, EvSettleMissing, EvStartSuspend,
		EvReturn, EvBindCard, EvCardWritten, EvSetPIN, EvRevokeCard, EvChangeCard, EvRenewCard,
		EvStartCorrect, EvAmend, EvPromote, EvUndoPromote, EvStartRepeat, EvStartSkip, EvStartFinish, EvStartAdvance, EvStartExtend, EvGoAbroad,
		EvComeHome, EvReportDeath, EvReportDropout, EvFileReport, EvLogPersuasion, EvReturnFromDropout, EvHandOverArchive, EvPutItem, EvKeepArchive, EvMoveCustody,
		EvArrange, EvEndArrange, EvGiveNumber, EvRaiseProblem, EvResolveProblem, EvStartErase, EvMerge, EvUnmerge, EvEscalate, EvUrge,
		EvCallOver, EvNameFar, EvOfferUp, EvDeclined, EvFarRequest, EvFarArrived, EvFarClosed, EvContinue, EvFarReceipt, EvGiveBack, EvTakeBack, EvFarSent,
		EvRecordAbsence, EvFollowAbsence, EvEndAbsence}
}

// DecodeEvent is the inverse of json.Marshal for a named event. Unknown kinds, unknown members and trailing bytes are CodeInvalid; the error carries none of
// the payload.
func DecodeEvent(kind EventKind, payload []byte) (Event, error) {
	decode, ok := decoders[kind]
	if !ok {
		return nil, &Error{Code: CodeInvalid, Field: "kind"}
	}
	ev, err := decode(payload)
	if err != nil {
		return nil, &Error{Code: CodeInvalid, Field: "payload", Err: fmt.Errorf("event %s does not decode", kind)}
	}
	return ev, nil
}

func decodeAs[E Event](payload []byte) (Event, error) {
	var e E
	if err := decodeStrict(payload, &e); err != nil {
		return nil, err
	}
	return e, nil
}
