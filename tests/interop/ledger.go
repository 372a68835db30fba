// Checks receipts, consistency proofs and tiles with Go's own transparency-log packages, which share no code with Sinergi.
//
//	go run ledger.go VERIFIER_KEY JOBS_FILE TILES_DIR
//
// JOBS_FILE holds one JSON object a line, each about one size of the ledger: receipts (C2SP tlog-proof files whose extra line is the leaf),
// and consistency proofs from older sizes. TILES_DIR is a C2SP tlog-tiles tree that has the tiles of all these sizes. Every receipt must
// hold, and its leaf and its proof must be those that the tiles give; so must every consistency proof.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type job struct {
	Size        int64
	Receipts    []string
	Consistency []struct {
		Old  int64
		Root string
		Path []string
	}
}

// A receipt that is parsed and not yet checked.
type receipt struct {
	leaf       []byte
	index      int64
	path       []tlog.Hash
	checkpoint string
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

func parseReceipt(file string) (*receipt, error) {
	head, checkpoint, found := strings.Cut(file, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return nil, fmt.Errorf("not a tlog-proof: %q", file)
	}
	if !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return nil, fmt.Errorf("no extra or no index: %q", head)
	}
	leaf, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return nil, err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return nil, err
	}
	path, err := parseHashes(lines[3:])
	if err != nil {
		return nil, err
	}
	return &receipt{leaf, index, path, checkpoint}, nil
}

// The tree under a checkpoint.
func open(checkpoint string, verifier note.Verifier) (*tlog.Tree, error) {
	opened, err := note.Open([]byte(checkpoint), note.VerifierList(verifier))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return nil, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return nil, err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return nil, err
	}
	return &tlog.Tree{N: size, Hash: root}, nil
}

// Reads tiles from a folder. Go's paths contain the height and say "data" for entries; those of C2SP do not.
type tiles string

func (dir tiles) Height() int { return 8 }

func (dir tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		path := strings.Replace(strings.TrimPrefix(tile.Path(), "tile/8/"), "data/", "entries/", 1)
		bytes, err := os.ReadFile(filepath.Join(string(dir), "tile", path))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func (dir tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// Reads an entry from its bundle in a tree of this size.
func (dir tiles) entry(index, size int64) ([]byte, error) {
	width := size - index/256*256
	if width > 256 {
		width = 256
	}
	bundles, err := dir.ReadTiles([]tlog.Tile{{H: 8, L: -1, N: index / 256, W: int(width)}})
	if err != nil {
		return nil, err
	}
	rest := bundles[0]
	var entry []byte
	for i := int64(0); i < width; i++ {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return nil, fmt.Errorf("the bundle of entry %d at size %d ends at entry %d", index, size, i)
		}
		length := 2 + int(binary.BigEndian.Uint16(rest))
		if i == index%256 {
			entry = rest[2:length]
		}
		rest = rest[length:]
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("the bundle of entry %d at size %d has %d bytes too many", index, size, len(rest))
	}
	return entry, nil
}

func checkReceipt(file string, size int64, verifier note.Verifier, dir tiles) (*tlog.Tree, error) {
	receipt, err := parseReceipt(file)
	if err != nil {
		return nil, err
	}
	tree, err := open(receipt.checkpoint, verifier)
	if err != nil {
		return nil, err
	}
	if tree.N != size {
		return nil, fmt.Errorf("the checkpoint covers %d leaves", tree.N)
	}
	hash := tlog.RecordHash(receipt.leaf)
	if err := tlog.CheckRecord(receipt.path, tree.N, tree.Hash, receipt.index, hash); err != nil {
		return nil, fmt.Errorf("leaf %d: %w", receipt.index, err)
	}
	path, err := tlog.ProveRecord(tree.N, receipt.index, tlog.TileHashReader(*tree, dir))
	if err != nil {
		return nil, fmt.Errorf("tiles of leaf %d: %w", receipt.index, err)
	}
	if fmt.Sprint(path) != fmt.Sprint(tlog.RecordProof(receipt.path)) {
		return nil, fmt.Errorf("tiles give another proof of leaf %d", receipt.index)
	}
	entry, err := dir.entry(receipt.index, tree.N)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(entry, receipt.leaf) {
		return nil, fmt.Errorf("the bundle holds another entry %d", receipt.index)
	}
	return tree, nil
}

func checkJob(job *job, verifier note.Verifier, dir tiles) error {
	var tree *tlog.Tree
	for _, file := range job.Receipts {
		var err error
		if tree, err = checkReceipt(file, job.Size, verifier, dir); err != nil {
			return err
		}
	}
	for _, proof := range job.Consistency {
		root, err := tlog.ParseHash(proof.Root)
		if err != nil {
			return err
		}
		path, err := parseHashes(proof.Path)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, proof.Old, root); err != nil {
			return fmt.Errorf("from %d leaves: %w", proof.Old, err)
		}
		computed, err := tlog.TreeHash(proof.Old, tlog.TileHashReader(*tree, dir))
		if err != nil {
			return err
		}
		if computed != root {
			return fmt.Errorf("tiles give another root of %d leaves", proof.Old)
		}
	}
	return nil
}

func check() error {
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		return err
	}
	file, err := os.Open(os.Args[2])
	if err != nil {
		return err
	}
	sizes, receipts, consistency := 0, 0, 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for ; lines.Scan(); sizes++ {
		var job job
		if err := json.Unmarshal(lines.Bytes(), &job); err != nil {
			return err
		}
		if err := checkJob(&job, verifier, tiles(os.Args[3])); err != nil {
			return fmt.Errorf("size %d: %w", job.Size, err)
		}
		receipts += len(job.Receipts)
		consistency += len(job.Consistency)
	}
	fmt.Printf("ok: %d sizes, %d receipts, %d consistency proofs\n", sizes, receipts, consistency)
	return lines.Err()
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: ledger VERIFIER_KEY JOBS_FILE TILES_DIR")
		os.Exit(2)
	}
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
