package probe

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"gameday/runbook"
)

// sqlProbe asks PostgreSQL, in transactions that may only read. It keeps one connection and makes a new one when that
// breaks.
type sqlProbe struct {
	config *pgx.ConnConfig
	query  string
	conn   *pgx.Conn
}

func newSQL(params any, _ Tools) (Probe, error) {
	p := params.(*runbook.SQLProbe)
	config, err := pgx.ParseConfig(p.DSN)
	if err != nil {
		return nil, errors.New("dsn: this is not a PostgreSQL connection string such as postgres://user:password@host:5432/name")
	}
	config.RuntimeParams["default_transaction_read_only"] = "on"
	config.RuntimeParams["application_name"] = "gameday-probe"
	return &sqlProbe{config: config, query: p.Query}, nil
}

// maxRows bounds what is read of an answer.
const maxRows = 10_000

func (p *sqlProbe) Measure(ctx context.Context) (m Measurement, err error) {
	if p.conn == nil || p.conn.IsClosed() {
		if p.conn, err = pgx.ConnectConfig(ctx, p.config); err != nil {
			return m, err
		}
	}
	rows, err := p.conn.Query(ctx, p.query)
	if err != nil {
		return m, err
	}
	defer rows.Close()
	var value any
	n := 0
	for ; n < maxRows && rows.Next(); n++ {
		if n > 0 {
			continue
		}
		columns, err := rows.Values()
		if err != nil {
			return m, err
		}
		if len(columns) > 0 {
			value = plainValue(columns[0])
		}
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return m, err
	}
	number, isNumber := value.(float64)
	if !isNumber {
		number = float64(n)
	}
	return Measurement{map[string]any{"value": value, "rows": float64(n)}, number}, nil
}

func (p *sqlProbe) Close() {
	if p.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.conn.Close(ctx)
	}
}

// plainValue gives every kind of number as float64 and spans of time as durations, so that expectations can compare.
func plainValue(v any) any {
	switch v := v.(type) {
	case int16:
		return float64(v)
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	case float32:
		return float64(v)
	case pgtype.Numeric:
		if f, err := v.Float64Value(); err == nil && f.Valid {
			return f.Float64
		}
	case pgtype.Interval:
		return time.Duration(v.Microseconds)*time.Microsecond + time.Duration(v.Days+30*v.Months)*24*time.Hour
	}
	return v
}
