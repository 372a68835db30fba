// Checks a checkpoint with Go's own transparency-log packages, which share no code with Sinergi.
//
//	go run checkpoint.go VERIFIER_KEY CHECKPOINT_FILE LEAVES_FILE
//
// LEAVES_FILE holds one leaf a line, in hex. The note's signature must verify, and the tree of the first leaves must have its root.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h[x]
	}
	return out, nil
}

func check() error {
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		return err
	}
	msg, err := os.ReadFile(os.Args[2])
	if err != nil {
		return err
	}
	opened, err := note.Open(msg, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return err
	}
	file, err := os.Open(os.Args[3])
	if err != nil {
		return err
	}
	var stored hashes
	n := int64(0)
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for ; n < size && scanner.Scan(); n++ {
		leaf, err := hex.DecodeString(scanner.Text())
		if err != nil {
			return err
		}
		more, err := tlog.StoredHashes(n, leaf, stored)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	if n != size {
		return fmt.Errorf("the checkpoint covers %d leaves, the file holds %d", size, n)
	}
	computed, err := tlog.TreeHash(size, stored)
	if err != nil {
		return err
	}
	if string(computed[:]) != string(root) {
		return fmt.Errorf("the tree of %d leaves has root %v, the checkpoint says %s", size, computed, lines[2])
	}
	fmt.Printf("ok: %s, %d leaves\n", verifier.Name(), size)
	return nil
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: checkpoint VERIFIER_KEY CHECKPOINT_FILE LEAVES_FILE")
		os.Exit(2)
	}
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
