cd source
GOTOOLCHAIN=local go build -trimpath -o ../server .
