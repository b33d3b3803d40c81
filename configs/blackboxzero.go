package configs

import "reflect"

func isZero(v any) bool { return reflect.ValueOf(v).IsZero() }
