from mmsemiloc.datasets.listing.endings import count_endings, describe_endings


def test_other_endings_are_counted():
    counts = count_endings(['a.jpg', 'b.HEIC', 'c.heic', 'd.txt', 'README', 'e.JFIF'])
    assert describe_endings(counts, 'photos') == (
        '4 files in photos are not images by their ending and are left out: '
        '.heic (2), .txt (1), none (1)'
    )
    assert describe_endings(count_endings(['a.gif']), 'photos') == ''
    assert (
        describe_endings(count_endings(['a.cr2']), 'x')
        == '1 file in x is not an image by its ending and is left out: .cr2 (1)'
    )
