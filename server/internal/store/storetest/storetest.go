package storetest

import (
	"testing"

	"xueji/server/internal/store"
)

// Run holds a store to its contract. open gives an empty store, closed by the test that asked for it.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"PupilRoundTrip", pupilRoundTrip},
		{"CompareAndSwap", compareAndSwap},
		{"BatchIsWhole", batchIsWhole},
		{"ManyAtOnce", manyAtOnce},
		{"SeveralMoves", severalMoves},
		{"OnlyWhatMoved", onlyWhatMoved},
		{"Claims", claims},
		{"ClaimsRace", claimsRace},
		{"OneOpenCase", oneOpenCase},
		{"CaseNumbersAreUnique", caseNumbers},
		{"ArchiveLookup", archiveLookup},
		{"Search", search},
		{"SearchScope", searchScope},
		{"SearchFollowsChanges", searchFollows},
		{"Tasks", tasks},
		{"Cases", cases},
		{"CasesOfUnits", casesOfUnits},
		{"TemporaryNumbers", temporaryNumbers},
		{"Bases", bases},
		{"StudySchool", studySchool},
		{"Certificates", certificates},
		{"OverdueTasks", overdueTasks},
		{"Ingest", ingest},
		{"IngestConcurrent", ingestConcurrent},
		{"InboxExactlyOnce", inboxOnce},
		{"InboxLease", inboxLease},
		{"Outcomes", outcomes},
		{"Outbox", outbox},
		{"DeadLetters", deadLetters},
		{"Issuances", issuances},
		{"RevokedIndexes", revokedIndexes},
		{"RewrittenCards", rewrittenCards},
		{"CardLives", cardLives},
		{"HeldCards", heldCards},
		{"CardRuns", cardRuns},
		{"CardLeases", cardLeases},
		{"Counters", counters},
		{"Tries", tries},
		{"Units", units},
		{"Accounts", accounts},
		{"Factors", factors},
		{"Substitutions", substitutions},
		{"GuardTries", guardTries},
		{"Once", once},
		{"Kiosks", kiosks},
		{"Imports", imports},
		{"Bulks", bulks},
		{"CertificateRegister", certificateRegister},
		{"Files", files},
		{"SmallThings", smallThings},
		{"MatchKeys", matches},
		{"Suspicions", suspicions},
		{"Findings", findings},
		{"Orders", orders},
		{"Tallies", tallies},
		{"Clients", clients},
		{"HandedIn", handedIn},
		{"RollChanges", rollChanges},
		{"ExchangePeers", exchangePeers},
		{"ExchangeOut", exchangeOut},
		{"ExchangeIn", exchangeIn},
		{"ExchangeSweep", exchangeSweep},
		{"HostileText", hostileText},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			defer func() { must(t, s.Close()) }()
			must(t, s.Ping(t.Context()))
			c.run(t, s)
		})
	}
}
