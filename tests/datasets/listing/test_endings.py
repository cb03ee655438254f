from mmsemiloc.datasets.listing.endings import count_endings, describe_endings


def test_other_endings_are_counted():
    counts = count_endings(['a.jpg', 'b.HEIC', 'c.heic', 'd.txt', 'README', 'e.JFIF'])
    assert describe_endings(counts, 'photos') == (
        '4 files in photos are no images by the ending and left out: .heic (2), .txt (1), none (1)'
    )
    assert describe_endings(count_endings(['a.gif']), 'photos') == ''
    assert (
        describe_endings(count_endings(['a.cr2']), 'x')
        == '1 file in x is no image by the ending and left out: .cr2 (1)'
    )
