package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// LogName is the log's file in a game day's folder.
const LogName = "events.jsonl"

// flushEvery is how long a sample may wait to be durable, so that many share one fsync.
const flushEvery = 100 * time.Millisecond

// Log is the durable file of a game day. Each line is an event with its sequence number and a hash over the hash before
// it and the line itself, so that what is missing, torn or altered is found. One process at a time holds it.
type Log struct {
	mu      sync.Mutex
	file    *os.File
	pending []byte // encoded and not yet written
	seq     int64
	hash    string
	chain   chainer
	begun   time.Time
	before  time.Duration // offset that earlier holders had reached
	err     error         // the first failure; after it nothing is taken
	stop    chan struct{}
	stopped sync.WaitGroup
}

// ErrHeld says that another process holds the log.
var ErrHeld = errors.New("another process holds this journal")

// Create makes a game day's folder and its empty log.
func Create(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("the journal's folder cannot be made: %w", err)
	}
	path := filepath.Join(dir, LogName)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return nil, fmt.Errorf("%s holds a game day already; give another folder with --journal", dir)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("the journal cannot be written: %w", err)
	}
	l, err := hold(f)
	if err != nil {
		return nil, err
	}
	return l, syncDir(dir)
}

// Append opens an existing log to go on with it, and folds what it says so far. A torn last line is cut off, and cut says how many bytes it had;
// damage anywhere else is an error.
func Append(dir string) (l *Log, r *Record, cut int, err error) {
	f, err := os.OpenFile(filepath.Join(dir, LogName), os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, 0, err
	}
	if l, err = hold(f); err != nil {
		return nil, nil, 0, err
	}
	r = &Record{}
	scan, err := read(f, r.Apply)
	if err == nil && scan.torn > 0 {
		cut = scan.torn
		if err = f.Truncate(scan.whole); err == nil {
			err = f.Sync()
		}
	}
	if err != nil {
		_ = l.Close()
		return nil, nil, 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq, l.hash, l.before = scan.events, scan.hash, scan.last
	return l, r, cut, nil
}

func hold(f *os.File) (*Log, error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, ErrHeld
	}
	l := &Log{file: f, begun: time.Now(), stop: make(chan struct{})}
	l.stopped.Go(l.flushLoop)
	return l, nil
}

// Now is the offset that an event appended at this moment would have.
func (l *Log) Now() time.Duration { return l.before + time.Since(l.begun) }

// Add appends an event and returns once it is durable.
func (l *Log) Add(kind Kind, body any) (Event, error) { return l.add(kind, body, true) }

// AddSoon appends an event that becomes durable within a tenth of a second, or with the next Add.
func (l *Log) AddSoon(kind Kind, body any) (Event, error) { return l.add(kind, body, false) }

func (l *Log) add(kind Kind, body any, durable bool) (Event, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return Event{}, fmt.Errorf("journal: %s cannot be encoded: %w", kind, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return Event{}, l.err
	}
	e := Event{Seq: l.seq + 1, At: time.Now().Round(0), Off: l.Now(), Kind: kind, Body: encoded}
	line, err := json.Marshal(e)
	if err != nil {
		return Event{}, err
	}
	line = line[:len(line)-1] // the closing brace comes after the hash
	hash := l.chain.next(l.hash, line)
	l.pending = append(append(append(l.pending, line...), hashKey...), hash[:]...)
	l.pending = append(l.pending, "\"}\n"...)
	l.seq, l.hash = e.Seq, string(hash[:])
	if durable {
		return e, l.flush()
	}
	return e, nil
}

// flush needs mu.
func (l *Log) flush() error {
	if l.err != nil || len(l.pending) == 0 {
		return l.err
	}
	if _, err := l.file.Write(l.pending); err != nil {
		l.err = fmt.Errorf("the journal cannot be written (%w): free some space or mend the folder; what was acknowledged so far is safe", err)
		return l.err
	}
	l.pending = l.pending[:0]
	if err := syscall.Fdatasync(int(l.file.Fd())); err != nil {
		l.err = fmt.Errorf("the journal cannot be made durable: %w", err)
	}
	return l.err
}

func (l *Log) flushLoop() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			_ = l.flush()
			l.mu.Unlock()
		}
	}
}

// Close makes durable what waits, and lets the log go.
func (l *Log) Close() error {
	l.mu.Lock()
	select {
	case <-l.stop:
		l.mu.Unlock()
		return nil
	default:
	}
	close(l.stop)
	err := l.flush()
	l.mu.Unlock()
	l.stopped.Wait()
	return errors.Join(err, l.file.Close())
}

// hashLength is that of a line's hash as it is written: 128 bits of SHA-256 in hexadecimal, enough against chance and
// careless edits; it is no signature.
const hashLength = 32

// chainer hashes lines, each with the hash before it, in a buffer of its own.
type chainer struct{ buffer []byte }

func (c *chainer) next(before string, line []byte) [hashLength]byte {
	c.buffer = append(append(c.buffer[:0], before...), line...)
	sum := sha256.Sum256(c.buffer)
	var hash [hashLength]byte
	hex.Encode(hash[:], sum[:hashLength/2])
	return hash
}

// Damage says where a log is not what was written.
type Damage struct {
	Path string
	Line int
	Byte int64
	What string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%s is damaged in line %d (byte %d): %s", d.Path, d.Line, d.Byte, d.What)
}

// Read reads a log without holding it. torn is the length of an unfinished last line, which is left out.
func Read(dir string) (events []Event, torn int, err error) {
	torn, err = visit(dir, func(e Event) {
		e.Body = bytes.Clone(e.Body)
		events = append(events, e)
	})
	return events, torn, err
}

// ReadRecord folds a log without holding it, and without keeping its events. With damage, the record is of what comes before.
func ReadRecord(dir string) (r *Record, torn int, err error) {
	r = &Record{}
	torn, err = visit(dir, r.Apply)
	return r, torn, err
}

// Verify checks every line of a log and counts its events.
func Verify(dir string) (events, torn int, err error) {
	torn, err = visit(dir, func(Event) { events++ })
	return events, torn, err
}

func visit(dir string, each func(Event)) (torn int, err error) {
	f, err := os.Open(filepath.Join(dir, LogName))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	s, err := read(f, each)
	return s.torn, err
}

type scan struct {
	events int64
	hash   string
	last   time.Duration // offset of the last event
	whole  int64         // bytes of whole lines
	torn   int           // bytes of an unfinished last line
}

var hashKey = []byte(`,"hash":"`)

// read checks every line and hands its event on; the event's body is good until each returns. What comes after the first
// damage is not trusted.
func read(f *os.File, each func(Event)) (scan, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return scan{}, err
	}
	var s scan
	var chain chainer
	reader := bufio.NewReaderSize(f, 1<<20)
	for line := 1; ; line++ {
		text, err := reader.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // a very long line
			start := bytes.Clone(text)
			text, err = reader.ReadBytes('\n')
			text = append(start, text...)
		}
		if errors.Is(err, io.EOF) {
			s.torn = len(text)
			return s, nil
		}
		if err != nil {
			return s, err
		}
		e, hash, what := parseLine(&chain, text, s.hash, s.events)
		if what != "" {
			return s, &Damage{f.Name(), line, s.whole, what}
		}
		each(e)
		s.events, s.hash, s.last = s.events+1, hash, e.Off
		s.whole += int64(len(text))
	}
}

func parseLine(chain *chainer, text []byte, before string, seen int64) (e Event, hash, what string) {
	at := bytes.LastIndex(text, hashKey)
	if at < 0 || len(text) != at+len(hashKey)+hashLength+3 || !bytes.HasSuffix(text, []byte("\"}\n")) {
		return e, "", "the line has no hash"
	}
	found := chain.next(before, text[:at])
	if !bytes.Equal(found[:], text[at+len(hashKey):at+len(hashKey)+hashLength]) {
		return e, "", "the line, or one before it, was altered or is missing"
	}
	hash = string(found[:])
	if e, ok := quickEvent(text[:at]); ok && e.Seq == seen+1 {
		return e, hash, ""
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, "", "the line is not an event: " + err.Error()
	}
	if e.Seq != seen+1 {
		return e, "", fmt.Sprintf("it is event %d where %d belongs", e.Seq, seen+1)
	}
	return e, hash, ""
}

// quickEvent reads a line as this program writes it, up to its hash, without looking into the body. Any other way of
// writing the same is left to the JSON decoder.
func quickEvent(line []byte) (e Event, ok bool) {
	var field []byte
	if line, ok = bytes.CutPrefix(line, []byte(`{"seq":`)); !ok {
		return e, false
	}
	if field, line, ok = bytes.Cut(line, []byte(`,"at":"`)); !ok {
		return e, false
	}
	seq, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil {
		return e, false
	}
	if field, line, ok = bytes.Cut(line, []byte(`","off":`)); !ok {
		return e, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(field))
	if err != nil {
		return e, false
	}
	if field, line, ok = bytes.Cut(line, []byte(`,"kind":"`)); !ok {
		return e, false
	}
	off, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil {
		return e, false
	}
	if field, line, ok = bytes.Cut(line, []byte(`","body":`)); !ok || bytes.IndexByte(field, '\\') >= 0 || len(line) == 0 {
		return e, false
	}
	kind, known := kinds[string(field)]
	if !known {
		kind = Kind(field)
	}
	return Event{Seq: seq, At: at, Off: time.Duration(off), Kind: kind, Body: line}, true
}

// kinds gives every known kind by its name, so that reading a log does not make it anew for each line.
var kinds = map[string]Kind{}

func init() {
	for k := range folds {
		kinds[string(k)] = k
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
