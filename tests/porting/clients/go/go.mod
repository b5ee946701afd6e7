module oauth-device-client

go 1.19
