package testkeys

import (
	"context"
	"crypto/des"
)

// Administrator answers challenges of GIDS cards as whoever has that 3DES key does.
func Administrator(key string) func(context.Context, []byte) ([]byte, error) {
	return func(_ context.Context, challenge []byte) ([]byte, error) {
		admin, err := des.NewTripleDESCipher([]byte(key))
		if err != nil {
			return nil, err
		}
		answer := make([]byte, des.BlockSize)
		admin.Encrypt(answer, challenge)
		return answer, nil
	}
}
