// Reads a note and verifier keys from standard input, verifies the note with the Go implementation of C2SP's cosignatures
// (github.com/transparency-dev/formats), and says which keys' signatures hold; then cosigns it with a key of its own.
package main

import (
	"crypto/rand"
	"encoding/json"
	"os"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

type told struct {
	Note  string   `json:"note"`
	Vkeys []string `json:"vkeys"`
}

type found struct {
	Verified []string `json:"verified"`
	Vkeys    []string `json:"vkeys"`
	Cosigned string   `json:"cosigned"`
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var t told
	check(json.NewDecoder(os.Stdin).Decode(&t))
	var f found
	var verifiers []note.Verifier
	for _, vkey := range t.Vkeys {
		verifier, err := cosignature.NewVerifierForCosignatureV1(vkey)
		check(err)
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(t.Note), note.VerifierList(verifiers...))
	check(err)
	for _, sig := range opened.Sigs {
		f.Verified = append(f.Verified, sig.Name)
	}
	classic, classicVkey, err := note.GenerateKey(rand.Reader, "go.example/classic")
	check(err)
	classicVkey, err = cosignature.VKeyToCosignatureV1(classicVkey)
	check(err)
	quantum, quantumVkey, err := cosignature.GenerateMLDSAKey("go.example/quantum")
	check(err)
	f.Vkeys = []string{classicVkey, quantumVkey}
	var signers []note.Signer
	for _, skey := range []string{classic, quantum} {
		signer, err := cosignature.NewSignerForCosignatureV1(skey)
		check(err)
		signers = append(signers, signer)
	}
	cosigned, err := note.Sign(opened, signers...)
	check(err)
	f.Cosigned = string(cosigned)
	check(json.NewEncoder(os.Stdout).Encode(f))
}
