#!/usr/bin/perl
# GET /orders/1 in Perl: a process for each request that waits, as many as SLOTS says.
use strict;
use warnings;
use IO::Socket::INET;

my ($host, $port) = $ENV{UPSTREAM} =~ m{^http://([^:/]+):(\d+)} or die "UPSTREAM\n";
my $listener = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 1000, ReuseAddr => 1)
    or die "cannot listen: $@\n";

for (2 .. $ENV{SLOTS}) {
    last unless fork;
}
while (my $client = $listener->accept) {
    serve($client);
}

sub serve {
    my ($client) = @_;
    my $upstream = IO::Socket::INET->new(PeerHost => $host, PeerPort => $port) or return;
    while (defined head($client)) {
        print $upstream "GET /stock/1 HTTP/1.1\r\nHost: $host\r\n\r\n";
        my ($length) = (head($upstream) // return) =~ /content-length: (\d+)/i;
        read $upstream, my $body, $length;
        print $client "HTTP/1.1 200 OK\r\nContent-Length: $length\r\n\r\n$body";
    }
}

sub head {
    my ($from) = @_;
    local $/ = "\r\n\r\n";
    return scalar <$from>;
}
